"""What all tests with real clients share: one exchange for each module, and Coinbase's own SDK."""

import pytest

from tests.e2e.paper.clients import rest_client
from tests.papers_service import running


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """An exchange without limits, whose dollar books stand still at round prices."""
    with running(tmp_path_factory.mktemp("paper")) as exchange:
        exchange.hold("BTC-USD", "64000")
        exchange.hold("ETH-USD", "3200")
        yield exchange


@pytest.fixture(scope="module")
def trust(paper):
    """The one thing a user of the SDK sets: the certificate to trust."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REQUESTS_CA_BUNDLE", paper.urls["ca_file"])
        yield


@pytest.fixture(scope="module")
def client(paper, trust):
    with rest_client(paper, key_file=paper.key_file()) as made:
        yield made
