import pytest_asyncio
from support import ADDRESSES, Place, connect


@pytest_asyncio.fixture
async def place(request) -> Place:
    client = await connect()
    worker_client = client if len(ADDRESSES) == 1 else await connect(ADDRESSES[-1])
    yield Place(client, worker_client, request.node.name.removeprefix("test_"))
