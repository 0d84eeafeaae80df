"""PynamoDB: models that make their own table and indexes, conditions, versions, batches, pages, transactions, expiry."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import DeleteError, DoesNotExist, PutError, TransactWriteError, UpdateError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, LocalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

from cluster import REGION
from eventual import eventually


class Place(MapAttribute):
    room = UnicodeAttribute()
    shelf = NumberAttribute(null=True)


def models(table, host):
    """Models of a table's own, as PynamoDB has them: their table is a member of their class."""

    class Settings:
        table_name = table
        region = REGION
        billing_mode = "PAY_PER_REQUEST"
        stream_view_type = "NEW_AND_OLD_IMAGES"
        tags = {"team": "books"}

    Settings.host = host

    class ByAuthor(GlobalSecondaryIndex):
        class Meta:
            projection = AllProjection()

        author = UnicodeAttribute(hash_key=True)
        year = NumberAttribute(range_key=True)

    class ByYear(LocalSecondaryIndex):
        class Meta:
            projection = IncludeProjection(["author"])

        genre = UnicodeAttribute(hash_key=True)
        year = NumberAttribute(range_key=True)

    class Book(Model):
        Meta = Settings

        genre = UnicodeAttribute(hash_key=True)
        title = UnicodeAttribute(range_key=True)
        author = UnicodeAttribute(default="anon")
        year = NumberAttribute(default=0)
        by_author = ByAuthor()
        by_year = ByYear()
        cover = BinaryAttribute(null=True, legacy_encoding=False)
        lent = BooleanAttribute(default=False)
        since = UTCDateTimeAttribute(null=True)
        labels = UnicodeSetAttribute(null=True)
        marks = NumberSetAttribute(null=True)
        notes = ListAttribute(default=list)
        place = Place(null=True)
        extra = JSONAttribute(null=True)

    class Loan(Model):
        Meta = Settings

        genre = UnicodeAttribute(hash_key=True)
        title = UnicodeAttribute(range_key=True)
        until = TTLAttribute(null=True)
        version = VersionAttribute()

    return SimpleNamespace(Book=Book, Loan=Loan, connection=Connection(region=REGION, host=host))


@pytest.fixture
def library(aws, cluster):
    """Models and their table, which all tests against a cluster share."""
    library = models("library", cluster.nodes[-1].endpoint)
    library.Book.create_table(wait=True)
    return library


def test_a_model_makes_its_table_and_drops_it(aws, cluster, table_name):
    Book = models(table_name, cluster.nodes[-1].endpoint).Book
    assert not Book.exists()
    Book.create_table(wait=True)
    assert Book.describe_table()["StreamSpecification"] == {
        "StreamEnabled": True,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    Book.delete_table()
    assert not Book.exists()


def test_a_model_whose_items_expire_makes_its_table(aws, cluster, table_name):
    name = table_name

    class Visit(Model):
        class Meta:
            table_name = name
            host = cluster.nodes[-1].endpoint
            region = REGION
            billing_mode = "PAY_PER_REQUEST"

        guest = UnicodeAttribute(hash_key=True)
        until = TTLAttribute()

    Visit.create_table(wait=True)
    visit = Visit("ann", until=timedelta(seconds=1))
    visit.save()
    eventually(lambda: Visit.count(consistent_read=True), lambda count: count == 0)


def test_an_item_is_saved_read_updated_and_deleted(library):
    Book = library.Book
    book = Book(
        "sea",
        "Moby-Dick",
        author="Melville",
        year=1851,
        cover=b"\x00\xff",
        since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        labels={"long", "whale"},
        marks={1, 2.5},
        notes=["first", {"page": 3}],
        place=Place(room="north", shelf=4),
        extra={"any": ["thing"]},
    )
    book.save(Book.title.does_not_exist())
    with pytest.raises(PutError) as error:
        book.save(Book.title.does_not_exist())
    assert error.value.cause_response_code == "ConditionalCheckFailedException"

    found = Book.get("sea", "Moby-Dick", consistent_read=True)
    assert found.serialize() == book.serialize()
    assert (found.labels, found.place.shelf, found.since) == ({"long", "whale"}, 4, book.since)

    found.update(
        actions=[
            Book.year.set(Book.year + 1),
            Book.lent.set(True),
            Book.notes.set(Book.notes.append(["last"])),
            Book.labels.add({"classic"}),
            Book.marks.delete({1}),
            Book.place.shelf.set(5),
            Book.extra.remove(),
        ],
        condition=(Book.year == 1851) & Book.place.room.startswith("no") & Book.labels.contains("whale"),
    )
    assert (found.year, found.lent, found.marks, found.place.shelf, found.extra) == (1852, True, {2.5}, 5, None)
    assert len(found.notes) == 3 and "classic" in found.labels
    with pytest.raises(UpdateError) as error:
        found.update(actions=[Book.lent.set(False)], condition=Book.year < 1000)
    assert error.value.cause_response_code == "ConditionalCheckFailedException"
    with pytest.raises(DeleteError):
        found.delete(Book.lent == False)  # noqa: E712
    found.delete(Book.lent == True)  # noqa: E712
    with pytest.raises(DoesNotExist):
        Book.get("sea", "Moby-Dick", consistent_read=True)


def test_batches_pages_and_indexes(library):
    Book = library.Book
    titles = [f"t{number:03}" for number in range(60)]
    with Book.batch_write() as batch:
        for number, title in enumerate(titles):
            batch.save(Book("land", title, author=f"author {number % 3}", year=2000 - number))
    found = Book.query("land", page_size=7, consistent_read=True)
    assert [book.title for book in found] == titles
    some = Book.query("land", Book.title.between("t010", "t020"), Book.year.is_in(1990, 1985), consistent_read=True)
    assert [book.year for book in some] == [1990, 1985]
    first = Book.query("land", scan_index_forward=False, limit=5, consistent_read=True)
    assert [book.title for book in first] == titles[:-6:-1]
    start = first.last_evaluated_key
    rest = Book.query("land", scan_index_forward=False, last_evaluated_key=start, consistent_read=True)
    assert len(list(rest)) == 55
    assert Book.count("land", Book.title < "t010", consistent_read=True) == 10

    got = Book.batch_get([("land", title) for title in titles] + [("land", "none")], consistent_read=True)
    assert sorted(book.title for book in got) == titles
    segments = [Book.scan(segment=segment, total_segments=3, consistent_read=True) for segment in range(3)]
    assert sorted(book.title for segment in segments for book in segment) == titles
    assert Book.scan(Book.author == "author 1", consistent_read=True, attributes_to_get=["title"]).next().year == 0

    by_year = Book.by_year.query("land", Book.year < 1950, consistent_read=True, page_size=4)
    assert [book.year for book in by_year] == list(range(1941, 1950))
    mine = eventually(lambda: list(Book.by_author.query("author 2", Book.year > 1980)), lambda books: len(books) == 6)
    assert [book.year for book in mine] == [1983, 1986, 1989, 1992, 1995, 1998]
    with Book.batch_write() as batch:
        for title in titles:
            batch.delete(Book("land", title))
    assert Book.count("land", consistent_read=True) == 0


def test_versions_are_checked(library):
    Loan = library.Loan
    loan = Loan("sea", "Moby-Dick", until=timedelta(days=3))
    loan.save()
    other = Loan.get("sea", "Moby-Dick", consistent_read=True)
    assert (other.version, other.until) == (1, loan.until)
    loan.update(actions=[Loan.until.set(timedelta(days=9))])
    assert loan.version == 2
    for late in (other.save, other.delete):
        with pytest.raises((PutError, DeleteError)) as error:
            late()
        assert error.value.cause_response_code == "ConditionalCheckFailedException"
    loan.delete()


def test_transactions(library):
    Book, connection = library.Book, library.connection
    with TransactWrite(connection=connection, client_request_token="both-books") as transaction:
        transaction.save(Book("air", "one"), condition=Book.title.does_not_exist())
        transaction.save(Book("air", "two"), condition=Book.title.does_not_exist())
    with pytest.raises(TransactWriteError) as error:
        with TransactWrite(connection=connection) as transaction:
            transaction.update(Book("air", "one"), actions=[Book.lent.set(True)])
            transaction.condition_check(Book, "air", "two", condition=Book.lent == True)  # noqa: E712
    # PynamoDB sends checks before updates.
    assert [reason and reason.code for reason in error.value.cancellation_reasons] == ["ConditionalCheckFailed", None]
    with TransactGet(connection=connection) as transaction:
        one, missing = transaction.get(Book, "air", "one"), transaction.get(Book, "air", "none")
    assert one.get().lent is False
    with pytest.raises(DoesNotExist):
        missing.get()
