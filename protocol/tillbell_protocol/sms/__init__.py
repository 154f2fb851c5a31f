"""Short messages on the air: TPDUs (3GPP TS 23.040), their alphabets and data coding (3GPP TS 23.038).

Pure: octets in, frozen values out, and back. Nothing here speaks to a modem.
"""
