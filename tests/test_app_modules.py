"""Modules joined to one script, run by Node as a browser would; against Node's own imports."""

import json
import shutil
import subprocess

import pytest

from app.page import modules
from app.page.modules import join_modules, list_modules

FILES = {
    "page/low.js": """// Says "import { a } from './x.js'" in a comment.
export const START = 2;
export function add(number) { return number + START; }
const hidden = 1;
export class Counter { value = hidden; }
""",
    "page/high.js": """import { START as first } from "./low.js";
import {
  add,
  Counter,
} from "./low.js";
export { add };
const hidden = 10;
export async function total() { return add(first) + hidden + new Counter().value; }
export const END = "</script><!--";
""",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for path, text in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(modules, "_APP", tmp_path)
    return tmp_path


def run_node(folder, script):
    node = shutil.which("node")
    if not node:
        pytest.skip("needs Node.js")
    file = folder / "run.mjs"
    file.write_text(script, encoding="utf-8")
    return json.loads(
        subprocess.run([node, file], capture_output=True, check=True, text=True).stdout
    )


def test_joined_modules_mean_what_they_meant_apart(folder):
    apart = run_node(
        folder,
        """import * as high from "./page/high.js";
const { END, add } = high;
console.log(JSON.stringify([END, add(1), await high.total(), Object.keys(high).sort()]));""",
    )
    joined = run_node(
        folder,
        join_modules(["page/high.js"])
        + """const high = modules["page/high.js"];
const { END, add } = high;
console.log(JSON.stringify([END, add(1), await high.total(), Object.keys(high).sort()]));""",
    )
    assert joined == apart == ["</script><!--", 3, 15, ["END", "add", "total"]]


def test_a_script_element_can_hold_them(folder):
    script = join_modules(["page/high.js"])
    assert "</script" not in script
    assert "<!--" not in script


def test_what_cannot_be_joined_is_refused(folder):
    (folder / "page" / "bad.js").write_text("export default function () {}\n")
    with pytest.raises(ValueError, match=r"page/bad\.js .*export default"):
        join_modules(["page/bad.js"])


def test_circles_are_refused(folder):
    for name, other in (("a", "b"), ("b", "a")):
        text = f'import {{ {other} }} from "./{other}.js";\nexport const {name} = 1;\n'
        (folder / "page" / f"{name}.js").write_text(text)
    with pytest.raises(ValueError, match="cycle"):
        join_modules(["page/a.js"])


def test_all_modules_of_the_page_can_be_joined():
    script = join_modules(list_modules())
    assert all(f'modules["{path}"] = ' in script for path in list_modules())
