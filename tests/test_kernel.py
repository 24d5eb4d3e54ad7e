"""What a real kernel shows in a notebook: results, the progress bar, an interrupted training, an error."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
jupyter_client = pytest.importorskip("jupyter_client", reason="pip install nbclient ipykernel")
pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")

PLANAR = """
import time
from tinygrad_course import *
from tinygrad_course.models import PlanarClassifier
X, Y = data.planar()
model = PlanarClassifier()
"""
ENDLESS = """
import os, signal, threading
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()  # as a front end does
fit(model, X, Y, iterations=10 ** 8, learning_rate=1.2, engine="eager", progress=False)
"""
SLOW = "callback=lambda i, model, cost: time.sleep(0.02)"


def run(cells: Sequence[str]) -> list[Any]:
    """The outputs of the cells after the first, which is PLANAR, as a saved notebook has them."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (PLANAR, *cells)])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120, allow_errors=True).execute()
    assert notebook.cells[0].outputs == []
    return [cell.outputs for cell in notebook.cells[1:]]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_a_history_is_a_line_a_table_and_a_curve() -> None:
    [[shown], [alone]] = run(["fit(model, X, Y, iterations=2000, learning_rate=1.2, validation=(X, Y), progress=False)",
                              "import sys; sys.modules['matplotlib'] = None; _"])
    line, html = shown.data["text/plain"], shown.data["text/html"]
    assert re.fullmatch(r"History of 2000 iterations in \S+ s, engine \w+: cost 0\.69\d+ to 0\.\d+, of the validation "
                        r"data 0\.\d+", line)
    assert line in html and html.count("<table>") == html.count("<svg ") == 1 and len(html) < 100_000
    assert all(f">{head}</th>" in html for head in ("iterations", "first cost", "last cost", "seconds", "engine",
                                                    "last validation cost", "accuracy there"))
    assert "light-dark(" in html and set(shown.data) == {"text/plain", "text/html"}
    assert alone.data["text/html"] == html[:html.index("<svg ")]  # without matplotlib


def test_the_bar_is_one_display_and_ends_as_a_line_between_plain_lines() -> None:
    """Updates of the display are what the kernel sends; the saved notebook has the last."""
    sent = "\n".join([
        "from tinygrad_course.training import progress", "real, sent = progress.display, []",
        "progress.display = lambda bundle, **options: (sent.append((bundle, options)), real(bundle, **options))"])
    training = f"h = fit(model, X, Y, iterations=60, learning_rate=1.2, print_cost=20, record_every=1, {SLOW})"
    [_, shown, [told], quick] = run([sent, training, "[*map(repr, sent)]",
                                     "h = fit(model, X, Y, iterations=5, learning_rate=1.2, print_cost=2)"])
    [bar] = [output for output in shown if output.output_type != "stream"]
    text = "".join(output.text for output in shown if output.output_type == "stream")
    assert re.fullmatch(r"(Cost after iteration \d+: 0\.\d{6}\n){3}", text)
    assert re.fullmatch(r"iteration 60/60, cost 0\.\d{6}, \d\.\d s", bar.data.pop("text/plain")) and not bar.data
    frames = re.findall(r"<progress value=\"(\d+)\" max=\"60\"", told.data["text/plain"])
    assert len(frames) > 3 and frames == sorted(set(frames), key=int)
    assert [output.output_type for output in quick] == ["stream"]  # no bar for what takes no time


def test_an_interrupted_training_says_so_and_keeps_what_it_has() -> None:
    [[said], [left]] = run([ENDLESS, "import sys\nhistory = sys.last_value.history\n"
                            "again = fit(PlanarClassifier(), X, Y, iterations=history.iterations, learning_rate=1.2,\n"
                            "            engine='eager', progress=False)\n"
                            "print(history.iterations, history.costs == again.costs)"])
    assert said.output_type == "error" and len(said.traceback) == 1
    told = re.fullmatch(r"KeyboardInterrupt: interrupted after iteration (\d+), cost 0\.\d+\. The model has .*",
                        said.traceback[0])
    assert told and left.text == f"{int(told[1]) + 1} True\n"


def test_an_interrupted_training_stops_the_cells_that_wait() -> None:
    manager, client = jupyter_client.manager.start_new_kernel(kernel_name="python3")
    try:
        waiting = [client.execute(PLANAR + ENDLESS), client.execute("1 + 1")]
        replies = [client.get_shell_msg(timeout=60) for _ in waiting]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert [reply["parent_header"]["msg_id"] for reply in replies] == waiting
    assert [reply["content"]["status"] for reply in replies] == ["error", "aborted"]


def test_an_error_is_the_users_own_line_and_the_message() -> None:
    [[error], [whole], [cause]] = run(["def mine():\n    return nn.Linear('a', 2)\nmine()", "%tb Verbose",
                                       "predict(model, object())"])
    text, all_of_it = plain("\n".join(error.traceback)), plain("\n".join(whole.traceback))
    assert "----> 2     return nn.Linear('a', 2)" in text and "----> 3 mine()" in text
    assert "InputError: a linear layer needs" in text and "tinygrad_course" not in text and text.count("Cell In") == 2
    assert "nn.py" in all_of_it and "_sizes" in all_of_it
    assert plain("\n".join(cause.traceback)).count("Traceback") == 1 and "cause" not in "".join(cause.traceback)


def test_results_show_themselves() -> None:
    cells = {"nn.summary(model, 400)": "shape of W", "compare.compare_gradients(model, X, Y)": "dW2",
             "equations.derive(model)": "Forward", "equations.explain_backward(model.cost(X, Y))": "The backward pass"}
    [imported, *shown] = run(["from tinygrad_course import compare, equations", *cells])
    assert imported == []
    for [output], expected in zip(shown, cells.values(), strict=True):
        text = output.data["text/plain"]
        assert output.output_type == "execute_result" and expected in text and len(text.splitlines()) > 3
    assert ["text/html" in output.data for [output] in shown] == [True, True, True, False]
