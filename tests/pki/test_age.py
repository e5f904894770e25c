"""The age format: what is written, age and rage open; what was changed anywhere is told, and never given out."""

import io
import secrets

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors.backup import BackupDamaged, BackupError, BackupPassphraseWrong, BackupTooNew, NotABackup
from agent.pki.age import CHUNK, LOG_COST, AgeReader, AgeWriter

PASSPHRASE = b"correct horse battery"
CHEAP = 10


def written(data: bytes, passphrase: bytes = PASSPHRASE, log_cost: int = CHEAP) -> bytes:
    made = io.BytesIO()
    writer = AgeWriter(made, passphrase, log_cost)
    for start in range(0, len(data), 10_000):
        writer.write(data[start : start + 10_000])
    writer.close()
    return made.getvalue()


def read(file: bytes, passphrase: bytes = PASSPHRASE) -> bytes:
    reader = AgeReader(io.BytesIO(file), passphrase, "gateway.backup")
    found = b""
    while piece := reader.read(10_000):
        found += piece
    return found


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17])
def test_what_is_written_is_read_and_opened_by_another_implementation(size):
    data = secrets.token_bytes(size)
    file = written(data)
    assert read(file) == data
    assert pyrage.passphrase.decrypt(file, PASSPHRASE.decode()) == data


def test_a_guess_costs_128_mib():
    header = written(b"", log_cost=LOG_COST).split(b"\n")[1].split()
    assert header[-1] == b"17"


def test_another_passphrase_is_told():
    with pytest.raises(BackupPassphraseWrong):
        read(written(b"data"), b"another passphrase")


@given(st.data())
def test_a_bit_that_is_flipped_anywhere_is_told(data):
    plain = bytes(range(256)) * 300
    file = bytearray(FILE)
    position = data.draw(st.integers(0, 8 * len(file) - 1))
    file[position // 8] ^= 1 << position % 8
    with pytest.raises(BackupError):
        read(bytes(file))
    assert read(FILE) == plain


FILE = written(bytes(range(256)) * 300)


@given(st.integers(0, len(FILE) - 1))
def test_a_file_that_was_cut_off_anywhere_is_told(size):
    with pytest.raises(BackupDamaged):
        read(FILE[:size])


@given(st.binary(min_size=1, max_size=100))
def test_what_was_put_behind_the_end_is_told(more):
    with pytest.raises(BackupDamaged):
        read(FILE + more)


@pytest.mark.parametrize("moved", [(1, 0), (0, 0), (1, 1)])
def test_chunks_in_another_order_are_told(moved):
    file = written(b"a" * 2 * CHUNK + b"b")
    begin = file.index(b"---") + 48 + 16
    chunks = [file[begin + index * (CHUNK + 16) :][: CHUNK + 16] for index in range(3)]
    changed = file[:begin] + b"".join(chunks[index] for index in moved) + chunks[2]
    with pytest.raises(BackupDamaged):
        read(changed)


@pytest.mark.parametrize(
    ("file", "error", "reason"),
    [
        (b"", BackupDamaged, "it is empty"),
        (b"age-enc", BackupDamaged, "it ends too early"),
        (b"PK\x03\x04" + bytes(400), NotABackup, "it is no age file"),
        (b"age-encryption.org/v2\n-> x\n", BackupTooNew, "age v2"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", NotABackup, "decode it with: age -d"),
        (b"age-encryption.org/v1\n-> X25519 SGVsbG8\nSGVsbG8\n--- x\n", NotABackup, "for a key"),
        (FILE.replace(b" 10\n", b" 30\n", 1), NotABackup, "1024 GiB"),
        (b"age-encryption.org/v1\n" + b"x" * 5000, BackupDamaged, "its header was changed"),
    ],
)
def test_what_is_something_else_is_told(file, error, reason):
    with pytest.raises(error) as caught:
        read(file)
    assert type(caught.value) is error
    assert reason in caught.value.problem.cause
