"""In the place of AES, which CPython does not have; the same on both. The journal's real cipher runs in other tests."""


class Mirror:
    def __init__(self, key, iv):
        self._mask = key[0] ^ iv[0]

    def encrypt(self, octets):
        return bytes([octet ^ self._mask for octet in octets])

    decrypt = encrypt
