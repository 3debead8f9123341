"""Visit replicas behind a proxy as several people at once; see ../deploy.md.

Everybody analyses a photo of their own at a sparsity of their own and then asks for the zip of the
result, which the server makes from what it remembers of them: so each request must have reached the
same replica. After that you may stop a replica and let everybody come again.
"""

import argparse
import json
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from gradio_client import Client, handle_file
from PIL import Image

PICTURE = Path(__file__).parents[2] / "assets" / "street_dusk_512x1024.jpg"


class Visitor:
    """One person with one page."""

    def __init__(self, url: str, number: int, folder: Path) -> None:
        self.number = number
        self.sparsity = number / 20
        self._photo = folder / f"visitor{number:02}.jpg"
        with Image.open(PICTURE) as picture:
            picture.crop((number, 0, *picture.size)).save(self._photo)
        self._client = Client(url, verbose=False, httpx_kwargs={"timeout": 600})

    @property
    def replica(self) -> str:
        """Which process answers; each has an id of its own."""
        url, cookies = f"{self._client.src}gradio_api/app_id", self._client.cookies
        return str(httpx.get(url, cookies=cookies, timeout=600).json()["app_id"])

    def look(self) -> str:
        """Analyse and take the zip away, with the checks; what happened, in one line."""
        before = self.replica
        values = {
            component["props"].get("elem_id"): component["props"].get("value")
            for component in self._client.config["components"]
        }
        panel = json.loads(values["sv-panel"])
        for stage in panel["stages"]:
            stage["sparsities"] = [self.sparsity] * len(stage["sparsities"])
        controls = [handle_file(str(self._photo)), values["sv-model"], 512, json.dumps(panel)]
        self._client.predict(*controls, values["sv-task"], 0, api_name="/run")
        path = Path(self._client.predict(api_name="/make_zip")["value"])
        with zipfile.ZipFile(path) as archive:
            result = json.loads(archive.read("result.json"))
        assert path.name == f"sparsevit-{self._photo.stem}.zip", path.name
        for block in result["blocks"]:
            assert block["kept"] == max(1, block["total"] * (20 - self.number) // 20), block
        assert self.replica == before
        return f"visitor {self.number} at sparsity {self.sparsity:.2f}: right, replica {before}"


def main() -> None:
    """Visit, wait, visit again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the proxy")
    parser.add_argument("--visitors", type=int, default=6)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.visitors) as pool:
        numbers = range(1, args.visitors + 1)
        visitors = list(pool.map(lambda n: Visitor(args.url, n, Path(folder)), numbers))
        print(*pool.map(Visitor.look, visitors), sep="\n", flush=True)
        input("Stop a replica if you like, then press Enter. ")
        late = Visitor(args.url, args.visitors + 1, Path(folder))
        print(*pool.map(Visitor.look, [*visitors, late]), sep="\n")


if __name__ == "__main__":
    main()
