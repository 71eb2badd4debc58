"""A run puts every row of its inputs into exactly one of two tables, once, however often it is begun or killed."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from netheal.contracts import wire_contracts
from netheal.contracts.declared_features import declared_column
from netheal.errors import NethealError, ServiceUnavailable, SettingsError
from netheal.records.flow_files import flow_spans
from netheal.rescoring import inputs, run, unit_scorer
from netheal.rescoring.plan import Request, Unit
from netheal.rescoring.run import Run, Work
from netheal.rescoring.unit_scorer import UnitReceipt
from netheal.settings import Settings
from netheal.store.delta import DeltaLog, Part, verdicts_layout
from tests.own_features import PROFILE, own_messages, own_model
from tests.unit.rescoring.runs import attack_rows, csv_of, in_process, rejected, rescored, verdicts

OF_A_RUN = ["run_id", "recorded_at", "date"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files, the first of several units, beside one that is no flow file."""
    found = tmp_path / "exports"
    found.mkdir()
    (found / "a.csv").write_text(csv_of(attack_rows(900)))
    (found / "b.csv").write_text(csv_of(attack_rows(100, seed=6)))
    (found / "c.csv").write_text("name,age\nx,1\n")
    monkeypatch.setattr(inputs.file_units, "__defaults__", (20_000,))
    return found


def test_every_row_is_in_exactly_one_table(settings: Settings, folder: Path) -> None:
    plan, progress = rescored(settings, "r", folder)
    assert len(plan.units) > 4
    said, refused = verdicts(settings), rejected(settings)
    places = [*zip(said["file"].to_pylist(), said["line"].to_pylist(), strict=True)]
    places += zip(refused["file"].to_pylist(), refused["line"].to_pylist(), strict=True)
    expected = [
        (str(folder / name), line) for name, last in (("a.csv", 901), ("b.csv", 101)) for line in range(2, last + 1)
    ]
    assert sorted(places) == expected
    assert (progress.verdicts, progress.rejected) == (said.num_rows, refused.num_rows) == (950, 50)
    assert len({*said["event_id"].to_pylist(), *refused["event_id"].to_pylist()}) == 1_000
    labels = {
        (line - 2) % 3: label for line, label in zip(said["line"].to_pylist(), said["label"].to_pylist(), strict=True)
    }
    assert labels == {0: "BENIGN", 1: "Bot", 2: "Bot"}
    assert set(refused["reason"].to_pylist()) == {"wrong_type", "out_of_range", "nan"}
    assert set(refused["label"].to_pylist()) == {"Bot", "BENIGN"}


def test_a_file_that_is_none_is_an_error_and_the_others_go_on(settings: Settings, folder: Path) -> None:
    _, progress = rescored(settings, "r", folder)
    assert list(progress.errors) == [str(folder / "c.csv")]
    report = json.loads((Path(settings.paths.rescored_dir) / "runs" / "r" / "report.json").read_text())
    assert "c.csv" in json.dumps(report)
    assert (Path(settings.paths.rescored_dir) / "runs" / "r" / "report.html").is_file()


def test_a_run_that_is_done_changes_nothing(settings: Settings, folder: Path) -> None:
    first = rescored(settings, "r", folder)
    table = Path(settings.paths.rescored_dir) / "rescored_verdicts"
    version, files = DeltaTable(str(table)).version(), set(table.rglob("*"))
    assert rescored(settings, "r", folder) == first
    assert (DeltaTable(str(table)).version(), set(table.rglob("*"))) == (version, files)


def test_other_inputs_or_arguments_under_the_same_id_are_refused(settings: Settings, folder: Path) -> None:
    rescored(settings, "r", folder / "b.csv")
    with pytest.raises(SettingsError, match="other arguments"):
        rescored(settings, "r", folder)
    with (folder / "b.csv").open("a") as file:
        file.write("1,2\n")
    with pytest.raises(SettingsError, match=r"b\.csv changed since"):
        rescored(settings, "r", folder / "b.csv")
    rescored(settings, "s", folder / "b.csv")
    assert rejected(settings, "s").num_rows == rejected(settings, "r").num_rows + 1


def dies_after(units: int) -> run.Mapper:
    def mapped(work: Work, left: Sequence[Unit]) -> Iterator[UnitReceipt]:
        for place, receipt in enumerate(in_process(work, left)):
            if place == units:
                raise KeyboardInterrupt  # the parts of this unit are left
            yield receipt

    return mapped


def without_run(table: pa.Table) -> list[dict[str, object]]:
    return table.drop_columns(OF_A_RUN).to_pylist()


def assert_as_undisturbed(settings: Settings, folder: Path) -> None:
    rescored(settings, "undisturbed", folder)
    rescored(settings, "killed", folder)
    for read in (verdicts, rejected):
        assert without_run(read(settings, "killed")) == without_run(read(settings, "undisturbed"))
    for name in ("rescored_verdicts", "rescored_rejected"):
        table = DeltaTable(str(Path(settings.paths.rescored_dir) / name))
        there = {str(path) for path in (Path(settings.paths.rescored_dir) / name).rglob("*.parquet")}
        assert there == {uri.removeprefix("file://") for uri in table.file_uris()}, "parts were left behind"


@pytest.mark.parametrize("units", [0, 3])
def test_a_run_that_is_killed_goes_on(settings: Settings, folder: Path, units: int) -> None:
    request = Request([str(folder)])
    with pytest.raises(KeyboardInterrupt):
        Run(settings, settings.paths.rescored_dir, "killed").complete(request, dies_after(units), lambda *_: None)
    assert_as_undisturbed(settings, folder)


@pytest.mark.parametrize("failing", ["rescored_verdicts", "rescored_rejected"])
@pytest.mark.parametrize("committed", [False, True])
def test_a_kill_at_a_commit(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str, committed: bool
) -> None:
    commit, calls = DeltaLog.commit, []

    def dying(log: DeltaLog, parts: Sequence[Part], app_id: str, batch_id: int) -> bool:
        if committed:
            commit(log, parts, app_id, batch_id)
        calls.append(log.uri)
        if log.uri.endswith(failing) and len(calls) > 4:
            raise KeyboardInterrupt
        return committed or commit(log, parts, app_id, batch_id)

    with monkeypatch.context() as patch:
        patch.setattr(DeltaLog, "commit", dying)
        with pytest.raises(KeyboardInterrupt):
            rescored(settings, "killed", folder)
    assert_as_undisturbed(settings, folder)


def test_a_run_is_done_by_one_process(settings: Settings, folder: Path) -> None:
    one = Run(settings, settings.paths.rescored_dir, "r")
    with one._alone(), pytest.raises(SettingsError, match="another process"):
        rescored(settings, "r", folder)


@pytest.mark.parametrize("run_id", ["", "../x", "a b", "x" * 65, ".hidden"])
def test_an_id_that_is_no_name_is_refused(settings: Settings, run_id: str) -> None:
    with pytest.raises(SettingsError, match="a run id has"):
        Run(settings, settings.paths.rescored_dir, run_id)


def test_rows_that_somebody_removed_are_missed(settings: Settings, folder: Path) -> None:
    rescored(settings, "r", folder / "b.csv")
    DeltaTable(str(Path(settings.paths.rescored_dir) / "rescored_verdicts")).delete("line < 10")
    with pytest.raises(NethealError, match="somebody changed the tables"):
        rescored(settings, "r", folder / "b.csv")


def written_own_model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "own.joblib").write_bytes(own_model().file)
    (folder / "own_profile.json").write_text(json.dumps(PROFILE))
    return folder


def test_verdicts_are_those_of_scikit_learn(settings: Settings, tmp_path: Path) -> None:
    rows = own_messages(500)
    names = list(rows[0])
    (tmp_path / "own.csv").write_text(csv_of(rows, names))
    rescored(settings, "r", tmp_path / "own.csv", models=[str(written_own_model(tmp_path / "model"))])
    said = verdicts(settings)
    assert said["line"].to_pylist() == list(range(2, 502))
    expected = own_model().scores(rows)
    np.testing.assert_allclose(said["threat_score"].to_numpy(), expected, atol=1e-6)
    assert said[declared_column("Payload Entropy")].to_pylist() == [row["Payload Entropy"] for row in rows]
    assert said["src_ip"].to_pylist() == ["192.0.2.7"] * 500


def test_compared_with_a_bundle_each_row_has_both_verdicts(settings: Settings, folder: Path, models: Path) -> None:
    tree = str(models / "attack_classifier_tree")
    rescored(settings, "now", folder / "b.csv", compare=f"attack_classifier={tree}")
    rescored(settings, "before", folder / "b.csv", models=[f"attack_classifier={tree}"])
    now, before = verdicts(settings, "now"), verdicts(settings, "before")
    assert now["other_attack_class"].to_pylist() == before["attack_class"].to_pylist()
    assert now["other_is_attack"].to_pylist() == before["is_attack"].to_pylist()
    assert now["other_attack_confidence"].to_pylist() == before["attack_confidence"].to_pylist()
    assert now["attack_confidence"].to_pylist() != before["attack_confidence"].to_pylist()
    assert before["other_is_attack"].null_count == before.num_rows
    with pytest.raises(SettingsError, match="names the model that scores"):
        rescored(settings, "same", folder / "b.csv", compare="active")


def test_a_model_that_is_none_is_refused(settings: Settings, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.joblib").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(NethealError, match="was refused"):
        rescored(settings, "r", folder, models=[str(tmp_path / "evil.joblib")])
    with pytest.raises(SettingsError, match="no model file or folder"):
        rescored(settings, "r", folder, models=[str(tmp_path / "none.joblib")])


def test_what_is_not_there_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no file"):
        rescored(settings, "r", tmp_path / "no*.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="no flow files in"):
        rescored(settings, "r", tmp_path / "empty")


def test_globs_and_folders_name_each_file_once(folder: Path) -> None:
    (folder / "deeper").mkdir()
    (folder / "deeper" / "d.csv.gz").write_bytes(b"")
    (folder / "notes.md").write_text("")
    found = inputs.find_inputs([str(folder), str(folder / "*.csv"), str(folder / "**" / "*.gz")])
    assert [Path(file.path).name for file in found] == ["a.csv", "b.csv", "c.csv", "d.csv.gz"]


def stream_rows(settings: Settings, folder: Path) -> pa.Table:
    """Verdicts of a run of files as the stream would have stored them."""
    rescored(settings, "source", folder / "a.csv")
    rows = verdicts(settings, "source").select([*verdicts_layout().schema.names, "date"])
    DeltaLog(verdicts_layout(), settings.paths.delta_root)
    write_deltalake(f"{settings.paths.delta_root}/verdicts", rows, mode="append")
    return rows


def test_stored_rows_are_scored_again_beside_what_was_said_of_them(
    settings: Settings, folder: Path, models: Path
) -> None:
    rows = stream_rows(settings, folder)
    tree = f"attack_classifier={models / 'attack_classifier_tree'}"
    rescored(settings, "again", stored=True)
    plan, progress = rescored(settings, "tree", stored=True, models=[tree])
    again, other = verdicts(settings, "again"), verdicts(settings, "tree")
    same = [name for name in verdicts_layout().schema.names if not name.startswith("action")]
    assert again.select(same).equals(rows.sort_by("event_id").select(same))
    assert other["event_id"].to_pylist() == rows.sort_by("event_id")["event_id"].to_pylist()
    assert other["other_attack_class"].to_pylist() == again["attack_class"].to_pylist()
    assert other["attack_class"].to_pylist() != again["attack_class"].to_pylist()
    assert (plan.compared_with, progress.rejected) == ("the stored verdicts", 0)
    after = DeltaTable(f"{settings.paths.delta_root}/verdicts").to_pyarrow_table().sort_by("event_id")
    assert after.equals(rows.sort_by("event_id").select(after.column_names))


def test_stored_rows_from_a_time_on(settings: Settings, folder: Path) -> None:
    rows = stream_rows(settings, folder)
    (at,) = set(rows["recorded_at"].to_pylist())
    _, progress = rescored(settings, "from", stored=True, since=at)
    assert progress.verdicts == rows.num_rows
    with pytest.raises(SettingsError, match="no stored rows recorded at"):
        rescored(settings, "later", stored=True, since=at.replace(year=at.year + 1))


def test_what_fails_in_a_unit_ends_the_run_and_leaves_nothing(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ServiceUnavailable("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(unit_scorer, "chunks", broken)
        with pytest.raises(NethealError, match="no disk; started again it goes on"):
            rescored(settings, "killed", folder)
    assert_as_undisturbed(settings, folder)


def test_spans_are_the_file(folder: Path) -> None:
    spans = flow_spans(folder / "a.csv", wire_contracts(), 10_000)
    assert spans[-1].end == (folder / "a.csv").stat().st_size
    assert all(one.end == other.begin for one, other in pairwise(spans))
