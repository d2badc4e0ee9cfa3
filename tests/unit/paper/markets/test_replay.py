"""A replay gives the file's rows as they are, or says which line is wrong and how to mend it."""

import csv
import gzip
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.money import plain
from sidecar.paper.markets import replay
from sidecar.paper.markets.replay import COLUMNS, ReplayError, preview, read_quotes
from sidecar.paper.venue.quote import Quote

HEADER = ",".join(COLUMNS)
ROW = "2018-04-04T00:00:00Z,BTC-USD,7424.9,1.88483821,7424.91,33.35399601"
SHARED = Path(__file__).parents[5] / "shared" / "data" / "coinbase-quotes-2018-04-04.csv.gz"
real_data = pytest.mark.skipif(
    not SHARED.exists(), reason=f"{SHARED.name} is not beside the repository"
)


@pytest.fixture
def write(tmp_path):
    def write(*lines, name="quotes.csv", header=HEADER, end="\n"):
        path = tmp_path / name
        data = "".join(line + end for line in (header, *lines)).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def row(time="2018-04-04T00:00:00Z", product="BTC-USD", **numbers):
    values = {"bid": "10", "bid_size": "1", "ask": "11", "ask_size": "1"} | numbers
    return ",".join((time, product, *values.values()))


def read(*paths):
    return list(read_quotes(paths))


def fault(path):
    with pytest.raises(ReplayError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_a_row_becomes_a_quote(write):
    assert read(write(ROW)) == [
        Quote(
            datetime(2018, 4, 4, tzinfo=UTC),
            "BTC-USD",
            Decimal("7424.9"),
            Decimal("1.88483821"),
            Decimal("7424.91"),
            Decimal("33.35399601"),
        )
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plain_and_gzip_and_both_line_ends_read_alike(write, name, end):
    assert read(write(ROW, "", ROW, name=name, end=end)) == read(write(ROW, ROW, name="plain.csv"))


def test_columns_may_stand_in_any_order_with_others_between(write):
    path = write(
        "x,11,2,BTC-USD,10,1,2018-04-04T00:00:00Z",
        header="note,ask,ask_size,product_id,bid,bid_size,time",
    )
    assert read(path) == read(write(row(ask_size="2")))


def test_quotation_marks_and_a_byte_order_mark_are_no_obstacle(write):
    quoted = ",".join(f'"{field}"' for field in ROW.split(","))
    assert read(write(quoted, header="\ufeff" + HEADER)) == read(write(ROW, name="b.csv"))


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2018-04-04T00:00:00Z", 0),
        ("2018-04-04T00:00:00+00:00", 0),
        ("2018-04-04 00:00:00.5-00:00", 500_000),
        ("2018-04-04t00:00:00.123456z", 123_456),
        ("2018-04-04T00:00:00.123456789Z", 123_456),
    ],
)
def test_times_may_have_any_fraction_of_a_second(write, text, microsecond):
    (quote,) = read(write(row(time=text)))
    assert quote.at == datetime(2018, 4, 4, microsecond=microsecond, tzinfo=UTC)


@pytest.mark.parametrize("text", ["5e3", "1.5E-3", "+7", "5.", "00012.50"])
def test_numbers_in_other_spellings_keep_their_value(write, text):
    (quote,) = read(write(row(bid=text, ask="99999")))
    assert quote.bid == Decimal(text)


@given(st.lists(st.decimals("0.00000001", "999999", places=8), min_size=3, max_size=3))
def test_numbers_come_out_as_they_stand_in_the_file(tmp_path_factory, numbers):
    bid, bid_size, ask_size = numbers
    path = tmp_path_factory.mktemp("replay") / "quotes.csv"
    path.write_text(
        f"{HEADER}\n{row(bid=f'{bid:f}', bid_size=f'{bid_size:f}', ask='1000000', ask_size=f'{ask_size:f}')}\n"
    )
    (quote,) = read(path)
    assert [str(v) for v in (quote.bid, quote.bid_size, quote.ask_size)] == [
        str(v) for v in numbers
    ]


def test_files_are_merged_in_time_order_and_at_equal_times_in_the_order_given(write):
    one = write(row("2018-04-04T00:00:00Z"), row("2018-04-04T00:00:02Z"), name="one.csv")
    two = write(
        row("2018-04-04T00:00:00Z", "ETH-USD"),
        row("2018-04-04T00:00:01Z", "ETH-USD"),
        name="two.csv.gz",
    )
    assert [quote.product_id[:3] for quote in read(one, two)] == ["BTC", "ETH", "ETH", "BTC"]
    assert [quote.product_id[:3] for quote in read(two, one)] == ["ETH", "BTC", "ETH", "BTC"]


def test_a_file_is_read_as_its_quotes_are_asked_for(write):
    path = write(ROW, "nonsense")
    assert next(read_quotes([path])).product_id == "BTC-USD"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (row(bid="NaN"), "bid: 'NaN' is not a number"),
        (row(bid_size="inf"), "bid_size: 'inf' is not a number"),
        (row(ask="1_000"), "ask: '1_000' is not a number"),
        (row(ask=""), "ask: '' is not a number"),
        (row(ask=" 11"), "ask: ' 11' is not a number"),
        (row(ask="١١"), "is not a number"),
        (row(ask_size="9" * 10_000), "(10000 characters)' is not a number"),
        (row(bid="0"), "bid is not above zero"),
        (row(bid="-1"), "bid is not above zero"),
        (row(ask_size="0.000"), "ask_size is not above zero"),
        (row(bid="11"), "the bid 11 is not below the ask 11"),
        (row(bid="12"), "the bid 12 is not below the ask 11"),
        (row(time="yesterday"), "time 'yesterday' is not RFC 3339 in UTC"),
        (row(time="2018-04-04T00:00:00"), "is not RFC 3339 in UTC"),
        (row(time="2018-04-04T00:00:00+02:00"), "is not RFC 3339 in UTC"),
        (row(time="2018-02-30T00:00:00Z"), "does not exist"),
        (
            row(time="2018-04-03T23:59:59Z"),
            "is before 2018-04-04T00:00:00+00:00 above it; sort the file by time",
        ),
        (row(product="btc/usd"), "product_id 'btc/usd' is not a product"),
        (row(product="BTC"), "product_id 'BTC' is not a product"),
        (ROW + ",1", "has 7 fields where the header has 6"),
        ("2018-04-04T00:00:00Z,BTC-USD", "has 2 fields where the header has 6"),
        ('"open', "is not CSV"),
        ("x" * 70_000, "is over 65536 bytes"),
    ],
)
def test_a_faulty_row_is_refused_with_its_line(write, line, words):
    caught = fault(write(ROW, line, ROW))
    assert words in str(caught)
    assert caught.line == 3


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("time,product_id,bid,bid_size,ask", "column ask_size is missing"),
        (ROW, "column time, product_id, bid, bid_size, ask, ask_size is missing"),
        (HEADER + ",bid", "column bid is there twice"),
        ('"time', "is not CSV"),
    ],
)
def test_a_faulty_header_is_refused(write, header, words):
    caught = fault(write(ROW, header=header))
    assert words in str(caught)
    assert caught.line == 1


def test_a_file_without_quotes_is_refused(tmp_path, write):
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert "is empty" in str(fault(empty))
    assert "has a header but no quotes" in str(fault(write()))


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path):
    named, unnamed, cut = tmp_path / "a.csv.gz", tmp_path / "b.csv", tmp_path / "c.csv.gz"
    named.write_text(f"{HEADER}\n{ROW}\n")
    packed = gzip.compress(f"{HEADER}\n{ROW}\n".encode() * 50)
    unnamed.write_bytes(packed)
    cut.write_bytes(packed[:-12])
    assert "is not gzip" in str(fault(named))
    assert "is not UTF-8" in str(fault(unnamed))
    assert "cut off or damaged" in str(fault(cut))


def test_damaged_gzip_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    packed = bytearray(gzip.compress(f"{HEADER}\n{ROW}\n".encode()))
    packed[12:30] = b"\xff" * 18
    path.write_bytes(packed)
    assert "cut off or damaged" in str(fault(path))


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(f"{HEADER}\n{ROW}\n".encode() + b"\xe4\xf6\xfc\n")
    caught = fault(path)
    assert "is not UTF-8" in str(caught)
    assert caught.line == 3


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    assert "No such file" in str(fault(tmp_path / "none.csv"))
    assert "cannot be read" in str(fault(tmp_path))


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([HEADER, ROW, "\r", '"', ",", "1", "-", "\n", "Z", "\0"])).map(
        lambda parts: f"{HEADER}\n{ROW}\n{''.join(parts)}".encode()
    ),
    st.sampled_from(["a.csv", "a.csv.gz"]),
    st.booleans(),
)
def test_whatever_bytes_a_file_holds_it_is_read_or_refused(tmp_path_factory, data, name, packed):
    path = tmp_path_factory.mktemp("replay") / name
    path.write_bytes(gzip.compress(data) if packed else data)
    with suppress(ReplayError):
        assert all(quote.bid < quote.ask for quote in read(path))


def test_too_many_products_are_refused(write, monkeypatch):
    monkeypatch.setattr(replay, "PRODUCTS_MAX", 2)
    path = write(*(row(product=f"C{number}-USD") for number in range(3)))
    assert "has over 2 products" in str(fault(path))


def test_a_preview_tells_start_first_mids_and_finest_steps(write):
    one = write(
        row("2018-04-04T00:00:01Z", bid="10.5"),
        row("2018-04-04T00:00:02Z", bid="10.125", bid_size="0.01"),
        name="one.csv",
    )
    two = write(
        row("2018-04-04T00:00:00Z", "ETH-USD", bid="400", bid_size="3", ask="402"),
        row("2018-04-04T00:00:00Z", bid="8", ask="9"),
        name="two.csv",
    )
    seen = preview([one, two])
    assert seen.start == datetime(2018, 4, 4, tzinfo=UTC)
    assert seen.books["BTC-USD"] == (Decimal("8.5"), Decimal("0.001"), Decimal("0.01"))
    assert seen.books["ETH-USD"] == (Decimal(401), Decimal(1), Decimal(1))


def test_a_preview_of_nothing_is_a_misuse():
    with pytest.raises(Misuse, match="at least one file"):
        preview([])


def test_a_preview_reads_no_further_than_its_bound(write, monkeypatch):
    monkeypatch.setattr(replay, "PREVIEW_ROWS", 2)
    path = write(ROW, ROW, row(product="ETH-USD"), "nonsense")
    assert set(preview([path]).books) == {"BTC-USD"}


def test_a_product_that_was_not_listed_is_refused_where_it_appears(write):
    path = write(ROW, row(product="ETH-USD"))
    quotes = read_quotes([path], {"BTC-USD"})
    assert next(quotes).product_id == "BTC-USD"
    with pytest.raises(ReplayError, match="line 3: ETH-USD is not in the first"):
        next(quotes)


@real_data
def test_the_recorded_day_replays_whole_and_to_the_digit():
    count = 0
    with gzip.open(SHARED, "rt") as file:
        for quote, line in zip(read_quotes([SHARED]), csv.DictReader(file), strict=True):
            assert quote.at == datetime.fromisoformat(line["time"])
            assert quote.product_id == line["product_id"]
            for value, text in zip(quote[2:], [line[name] for name in COLUMNS[2:]], strict=True):
                assert f"{value:f}" == text
                assert plain(value) == (text.rstrip("0").rstrip(".") if "." in text else text)
            count += 1
    assert count == 17_252


@real_data
def test_the_recorded_day_previews_its_three_books():
    seen = preview([SHARED])
    assert seen.start == datetime(2018, 4, 4, tzinfo=UTC)
    assert {name: book.mid for name, book in seen.books.items()} == {
        "BTC-USD": Decimal("7424.905"), "ETH-USD": Decimal("416.155"), "LTC-USD": Decimal("134.125"),
    }  # fmt: skip


@real_data
def test_the_recorded_day_twice_is_every_quote_twice():
    twice = list(read_quotes([SHARED, SHARED]))
    assert all(before.at <= after.at for before, after in pairwise(twice))
    assert sorted(twice) == sorted([*read_quotes([SHARED])] * 2)
