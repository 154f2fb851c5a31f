"""ISO 4217: currency letters become the numeric code and the number of decimal places, and back.

Amounts are integers in minor units; how many minor units make a unit is known here and nowhere else. A currency that
this table does not know has no places: its amounts are shown as minor units, never guessed.
"""

from typing import Final

# Letters and number, grouped by decimal places; "-" are metals, funds and test codes without minor units.
_TABLE: Final = {
    0: (
        "BIF:108 CLP:152 DJF:262 GNF:324 ISK:352 JPY:392 KMF:174 KRW:410 PYG:600 RWF:646 UGX:800 UYI:940 "
        "VND:704 VUV:548 XAF:950 XOF:952 XPF:953 "
    ),
    2: (
        "AED:784 AFN:971 ALL:8 AMD:51 AOA:973 ARS:32 AUD:36 AWG:533 AZN:944 BAM:977 BBD:52 BDT:50 BGN:975 "
        "BMD:60 BND:96 BOB:68 BOV:984 BRL:986 BSD:44 BTN:64 BWP:72 BYN:933 BZD:84 CAD:124 CDF:976 CHE:947 "
        "CHF:756 CHW:948 CNY:156 COP:170 COU:970 CRC:188 CUC:931 CUP:192 CVE:132 CZK:203 DKK:208 DOP:214 "
        "DZD:12 EGP:818 ERN:232 ETB:230 EUR:978 FJD:242 FKP:238 GBP:826 GEL:981 GHS:936 GIP:292 GMD:270 "
        "GTQ:320 GYD:328 HKD:344 HNL:340 HTG:332 HUF:348 IDR:360 ILS:376 INR:356 IRR:364 JMD:388 KES:404 "
        "KGS:417 KHR:116 KPW:408 KYD:136 KZT:398 LAK:418 LBP:422 LKR:144 LRD:430 LSL:426 MAD:504 MDL:498 "
        "MGA:969 MKD:807 MMK:104 MNT:496 MOP:446 MRU:929 MUR:480 MVR:462 MWK:454 MXN:484 MXV:979 MYR:458 "
        "MZN:943 NAD:516 NGN:566 NIO:558 NOK:578 NPR:524 NZD:554 PAB:590 PEN:604 PGK:598 PHP:608 PKR:586 "
        "PLN:985 QAR:634 RON:946 RSD:941 RUB:643 SAR:682 SBD:90 SCR:690 SDG:938 SEK:752 SGD:702 SHP:654 "
        "SLE:925 SLL:694 SOS:706 SRD:968 SSP:728 STN:930 SVC:222 SYP:760 SZL:748 THB:764 TJS:972 TMT:934 "
        "TOP:776 TRY:949 TTD:780 TWD:901 TZS:834 UAH:980 USD:840 USN:997 UYU:858 UZS:860 VED:926 VES:928 "
        "WST:882 XAD:396 XCD:951 XCG:532 YER:886 ZAR:710 ZMW:967 ZWG:924 ZWL:932 "
    ),
    3: ("BHD:48 IQD:368 JOD:400 KWD:414 LYD:434 OMR:512 TND:788 "),
    4: ("CLF:990 UYW:927 "),
    None: (
        "XAG:961 XAU:959 XBA:955 XBB:956 XBC:957 XBD:958 XDR:960 XPD:964 XPT:962 XSU:994 XTS:963 XUA:965 "
        "XXX:999 "
    ),
}
_NUMERIC: Final = {entry[:3]: int(entry[4:]) for entries in _TABLE.values() for entry in entries.split()}
_ALPHA: Final = {number: letters for letters, number in _NUMERIC.items()}
_PLACES: Final = {entry[:3]: places for places, entries in _TABLE.items() for entry in entries.split()}

CODES: Final = frozenset(letters for letters, places in _PLACES.items() if places is not None)
"""Every currency that can carry an amount."""


def numeric_code(alpha: str) -> int | None:
    """156 for ``CNY``; None: not in the table."""
    return _NUMERIC.get(alpha)


def alpha_code(numeric: int) -> str | None:
    """``CNY`` for 156; None: not in the table."""
    return _ALPHA.get(numeric)


def decimal_places(alpha: str) -> int | None:
    """2 for ``CNY``, 0 for ``JPY``; None: no minor unit, or not in the table."""
    return _PLACES.get(alpha)
