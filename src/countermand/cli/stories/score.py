"""The score: what was cancelled though nobody had asked counts, and the card shows which items."""

from countermand.cli.stories.story import Story


class ScoreStory(Story):
    """It comes last, as it looks back on what the other stories did."""

    async def _play(self) -> None:
        self._title("What counts against Fine Shoes")
        path = f"/v1/scorecards/{self._cast.parties['Fine Shoes']}?weeks=2&evidence=true"
        shown = await self._step("Fine Shoes looks at its scorecard", "GET", path, "Fine Shoes", 200)
        card = shown["weeks"][-1]
        counted = [item for item in card["evidence"] if not item["excluded"]]
        share = f"{card['numerator']} of {card['denominator']} ordered items"
        self._check(f"{share} count, where the norm is {shown['norm']:.0%}", len(counted), card["numerator"])
        for item in card["evidence"]:
            print(f"       {item['events'][0]['told']}")
        reasons = {item["why"] for item in counted}
        self._check(
            "those it asked for itself, and the one that it had none left of", reasons, {"retailers_wish", "unasked"}
        )
