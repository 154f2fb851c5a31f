"""SHA-256 and HMAC by libsodium agree with the standard library's, which a running agent does not load."""

import hashlib
import hmac

from hypothesis import example, given
from hypothesis import strategies as st

from tillbell_protocol.hashing import hmac_sha256, is_same, sha256


@given(st.binary(max_size=300))
@example(b"")
def test_the_digest_is_the_standard_librarys(data):
    assert sha256(data) == hashlib.sha256(data).digest()


@given(st.binary(max_size=200), st.binary(max_size=300))
@example(b"k" * 64, b"")  # exactly a block
@example(b"k" * 65, b"m")  # longer: hashed first
@example(b"", b"")
def test_the_mac_is_the_standard_librarys_for_keys_of_any_length(key, message):
    assert hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_values_are_the_same_only_whole(one, other):
    assert is_same(one, one)
    assert is_same(one, other) is (one == other)
