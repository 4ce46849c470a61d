"""Content encryption: AES-256-GCM (NIST SP 800-38D)."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker.crypto.suites import CONTENT_KEY_SIZE, IV_SIZE, TAG_SIZE
from broker.errors import PacketError
from schemas.problem import Code


def encrypt(key: bytes, iv: bytes, plain: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """Encrypt; returns (ciphertext, tag)."""
    if len(key) != CONTENT_KEY_SIZE or len(iv) != IV_SIZE:
        raise ValueError(f"expected a key of {CONTENT_KEY_SIZE} bytes and an iv of {IV_SIZE}, found other sizes")
    sealed = AESGCM(key).encrypt(iv, plain, aad)
    return sealed[:-TAG_SIZE], sealed[-TAG_SIZE:]


def decrypt(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes) -> bytes:
    """Decrypt and authenticate.

    Raises:
        PacketError: code `wrap-invalid`; the unwrapped key does not open this content.
    """
    # Exact sizes: a 16-byte key would mean AES-128, and a shifted ciphertext and tag boundary would still open.
    if len(key) == CONTENT_KEY_SIZE and len(iv) == IV_SIZE and len(tag) == TAG_SIZE:
        try:
            return AESGCM(key).decrypt(iv, ciphertext + tag, aad)
        except InvalidTag:
            pass
    raise PacketError(
        Code.WRAP_INVALID,
        "Expected the content to open with the wrapped key, found that it does not.",
        advice="Ask the sender to seal the packet anew.",
    )
