"""Codes of vouchers: what typing does to them, what is kept of them, and that nobody can foresee them."""

from __future__ import annotations

import random
import secrets
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.kernel.errors import Invalid
from farwire.payment.model.voucher import LENGTHS, Alphabet, check_digit, draw, grouped, hash_of, read_code

ALPHABETS = st.sampled_from(Alphabet)


@st.composite
def codes(draw_from: st.DrawFn) -> tuple[Alphabet, str]:
    alphabet = draw_from(ALPHABETS)
    length = draw_from(st.sampled_from(LENGTHS[alphabet]))
    seed = draw_from(st.integers(0, 2**32))
    return alphabet, draw(alphabet, length, 1, random.Random(seed).randbytes)[0]


@given(codes())
def test_a_code_is_read_however_it_is_typed(given_code: tuple[Alphabet, str]) -> None:
    _, code = given_code
    assert read_code(code) == code
    assert read_code(grouped(code)) == code
    assert read_code(f"  {grouped(code).replace('-', ' ').lower()}\t") == code
    typed = code.replace("1", "l").replace("0", "o") if not code.isdigit() else code
    assert read_code(typed) == code
    assert read_code("".join(chr(0x0660 + int(c)) if c.isdigit() else c for c in code)) == code


@given(codes(), st.data())
def test_one_wrong_symbol_is_found(given_code: tuple[Alphabet, str], data: st.DataObject) -> None:
    alphabet, code = given_code
    place = data.draw(st.integers(0, len(code) - 1))
    wrong = data.draw(st.sampled_from(alphabet.symbols).filter(lambda symbol: symbol != code[place]))
    typed = code[:place] + wrong + code[place + 1 :]
    if alphabet is Alphabet.LETTERS and typed.isdigit():
        return
    with pytest.raises(Invalid) as refused:
        read_code(typed)
    assert refused.value.code == "payment.code_mistyped"
    assert code not in str(refused.value)


@given(codes(), st.data())
def test_two_neighbours_swapped_are_found(given_code: tuple[Alphabet, str], data: st.DataObject) -> None:
    _, code = given_code
    place = data.draw(st.integers(0, len(code) - 2))
    if code[place] == code[place + 1]:
        return
    with pytest.raises(Invalid):
        read_code(code[:place] + code[place + 1] + code[place] + code[place + 2 :])


@given(st.text(max_size=80))
def test_any_text_is_a_code_or_refused(typed: str) -> None:
    try:
        code = read_code(typed)
    except Invalid:
        return
    assert read_code(code) == code


@given(codes(), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_what_is_kept_depends_on_the_key_and_holds_no_code(
    given_code: tuple[Alphabet, str], one: bytes, other: bytes
) -> None:
    _, code = given_code
    kept = hash_of(code, one)
    assert len(kept) == 32
    assert code.encode() not in kept
    assert (hash_of(code, other) == kept) == (one == other)


@pytest.mark.parametrize("alphabet", Alphabet)
def test_codes_differ_and_each_symbol_is_as_likely_as_any_other(alphabet: Alphabet) -> None:
    length = LENGTHS[alphabet][0]
    drawn = draw(alphabet, length, 20_000, random.Random(7).randbytes)
    assert len(set(drawn)) == 20_000
    assert all(len(code) == length and check_digit(alphabet, code[:-1]) == code[-1] for code in drawn)
    counted = Counter("".join(code[:-1] for code in drawn))
    expected = 20_000 * (length - 1) / len(alphabet.symbols)
    assert set(counted) == set(alphabet.symbols)
    assert all(abs(number - expected) < 6 * expected**0.5 for number in counted.values())


def test_a_code_of_letters_is_never_taken_for_one_of_digits() -> None:
    source = random.Random(3)
    drawn = draw(Alphabet.LETTERS, 11, 5_000, lambda size: bytes(source.choices(range(11), k=size)))
    assert not any(code[:-1].isdigit() for code in drawn)


def test_the_check_digit_is_the_published_one() -> None:
    assert check_digit(Alphabet.DIGITS, "572") == "4"


@pytest.mark.parametrize(
    ("alphabet", "length"), [(Alphabet.DIGITS, 13), (Alphabet.DIGITS, 21), (Alphabet.LETTERS, 10)]
)
def test_a_code_that_could_be_guessed_or_mistyped_is_not_made(alphabet: Alphabet, length: int) -> None:
    with pytest.raises(Invalid) as refused:
        draw(alphabet, length, 1, secrets.token_bytes)
    assert refused.value.code == "payment.code_length"
