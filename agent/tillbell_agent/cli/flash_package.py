"""What ``tillbell flash`` brings: the firmware's sources as byte code, with the version that they are."""

from tillbell_agent import __version__
from tillbell_agent.cli.errors import NOT_WELL, CliError
from tillbell_agent.cli.flash_screen import Screen
from tillbell_agent.flash.deploy import Package
from tillbell_agent.shell.boards import application_sources, firmware_folder, loader_sources, plain_files
from tillbell_agent.shell.flash_tools import ToolError, compile_all, git_revision


def build(screen: Screen) -> Package:
    """Raises CliError."""
    try:
        application, loader = application_sources(), loader_sources()
        with screen.step("compile", len(application) + len(loader)) as advance:
            compiled = compile_all(application, advance)
            start = compile_all(loader, advance)
        rest = plain_files()
    except ToolError as error:
        raise CliError(f"flash: {error}", NOT_WELL) from error
    except OSError as error:
        raise CliError(
            f"flash: {error.filename}: {error.strerror}. Install tillbell anew", NOT_WELL
        ) from error
    files = {f"/{name}": octets for name, octets in {**start, **rest}.items()}
    return Package(__version__, git_revision(firmware_folder()), compiled, files)
