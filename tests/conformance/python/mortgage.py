"""A mortgage: weeks of waiting for three parties, whose answers come as signals in any order."""

from temporalio import workflow

PARTIES = ("appraiser", "bank", "notary")


@workflow.defn
class Mortgage:
    def __init__(self) -> None:
        self.answers: dict[str, str] = {}

    @workflow.run
    async def run(self, house: str) -> str:
        await workflow.wait_condition(lambda: len(self.answers) == len(PARTIES))
        return f"{house}: " + ", ".join(f"{party} {self.answers[party]}" for party in PARTIES)

    @workflow.signal
    def answer(self, party: str, answer: str) -> None:
        self.answers[party] = answer

    @workflow.query
    def missing(self) -> list[str]:
        return [party for party in PARTIES if party not in self.answers]
