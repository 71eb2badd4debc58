"""Settings come from arguments, the environment and a TOML file; a wrong one is one clear sentence."""

from pathlib import Path

import pytest

from netheal.errors import SettingsError
from netheal.settings import Settings, load_settings
from netheal.settings.load import components, outside_fields, without_secret_files
from netheal.settings.table import page


@pytest.fixture
def conf(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return tmp_path / "netheal.toml"


def sentence(conf: Path, **overrides: object) -> str:
    with pytest.raises(SettingsError) as wrong:
        load_settings(conf, **overrides)
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


def test_without_a_file_everything_has_its_default(conf: Path, root: Path) -> None:
    settings = load_settings(conf)
    assert (settings.stream.input_topic, settings.stream.output_topic) == ("network-traffic", "network-predictions")
    assert settings.paths.var_dir == root / "var"
    assert settings.paths.delta_root == str(root / "var" / "delta")
    assert settings.kafka.bootstrap_servers == "" == settings.postgres.dsn.get_secret_value()


def test_the_shipped_file_is_sound(conf: Path, root: Path) -> None:
    assert load_settings(root / "conf" / "netheal.toml") == load_settings(conf)


def test_arguments_win_over_the_environment_and_that_over_the_file(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf.write_text('input_topic = "of-file"\noutput_topic = "of-file"\nscoring_tasks = 3\n')
    monkeypatch.setenv("NETHEAL_INPUT_TOPIC", "of-environment")
    monkeypatch.setenv("NETHEAL_SCORING_TASKS", "4")
    settings = load_settings(conf, scoring_tasks=5)
    assert (settings.stream.input_topic, settings.stream.output_topic) == ("of-environment", "of-file")
    assert settings.stream.scoring_tasks == 5


def test_a_mapping_comes_as_a_table_or_as_json(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf.write_text('[kafka_options]\n"security.protocol" = "SASL_SSL"\n')
    assert load_settings(conf).kafka.options == {"security.protocol": "SASL_SSL"}
    monkeypatch.setenv("NETHEAL_KAFKA_OPTIONS", '{"security.protocol": "PLAINTEXT"}')
    assert load_settings(conf).kafka.options == {"security.protocol": "PLAINTEXT"}


def test_a_secret_may_stand_in_a_file(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://netheal:pass word@db/netheal\n")
    monkeypatch.setenv("NETHEAL_POSTGRES_DSN_FILE", str(file))
    conf.write_text('postgres_dsn = "postgresql://of-file"\n')
    settings = load_settings(conf)
    assert settings.postgres.dsn.get_secret_value() == "postgresql://netheal:pass word@db/netheal"
    assert "pass word" not in repr(settings)
    monkeypatch.setenv("NETHEAL_POSTGRES_DSN", "postgresql://other")
    assert "both set" in sentence(conf)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"", "empty"), (b"\n", "empty"), (b"\xff", "UTF-8")]
)
def test_a_secret_file_that_holds_none_is_one_clear_sentence(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, words: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("NETHEAL_API_TOKEN_FILE", str(file))
    told = sentence(conf)
    assert "NETHEAL_API_TOKEN_FILE" in told and words in told


def test_a_child_that_is_given_the_secrets_does_not_read_the_files(conf: Path) -> None:
    named = {"NETHEAL_POSTGRES_DSN_FILE": "/run/secrets/dsn", "HOME": "/root"}
    assert without_secret_files(named) == {"HOME": "/root"}


def test_what_is_no_secret_is_read_of_no_file(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETHEAL_INPUT_TOPIC_FILE", "/etc/hostname")
    assert "unknown setting NETHEAL_INPUT_TOPIC_FILE" in sentence(conf)


def test_folders_that_are_named_win_over_those_under_var(conf: Path) -> None:
    settings = load_settings(conf, store_root="s3://bucket/delta", checkpoint_dir="hdfs://host/checkpoint")
    assert (settings.paths.delta_root, settings.paths.checkpoint) == ("s3://bucket/delta", "hdfs://host/checkpoint")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SCORING_TASKS", "many", "NETHEAL_SCORING_TASKS: Input should be a valid integer"),
        ("SCORING_TASKS", "0", "NETHEAL_SCORING_TASKS: Input should be greater than or equal to 1"),
        ("TOPIC_PARTITIONS", "1024", "NETHEAL_TOPIC_PARTITIONS: Input should be less than or equal to 1023"),
        ("EMBEDDED_KAFKA_PORT", "65536", "NETHEAL_EMBEDDED_KAFKA_PORT: Input should be less than or equal to 65535"),
        ("KAFKA_OPTIONS", '{"a": {}}', "NETHEAL_KAFKA_OPTIONS_A: Input should be a valid string"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_wrong(
    conf: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"NETHEAL_{name}", value)
    assert sentence(conf).startswith(f"invalid settings: {words}")


def test_an_unknown_key_of_the_file_is_refused(conf: Path) -> None:
    conf.write_text('input_topics = "network-traffic"\n')
    assert "NETHEAL_INPUT_TOPICS" in sentence(conf)


def test_a_misspelt_variable_is_refused(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETHEAL_INPUT_TOPICS", "network-traffic")
    assert sentence(conf) == "unknown setting NETHEAL_INPUT_TOPICS: correct its name or unset it"


def test_variables_of_tests_and_training_are_no_settings(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_settings(conf)
    monkeypatch.setenv("NETHEAL_SHARED_DATA", "elsewhere")
    assert load_settings(conf) == expected


def test_two_wrong_values_are_both_named(conf: Path) -> None:
    conf.write_text("scoring_tasks = 0\ntopic_partitions = 0\n")
    assert "NETHEAL_SCORING_TASKS" in sentence(conf) and "NETHEAL_TOPIC_PARTITIONS" in sentence(conf)


def test_a_password_shows_neither_in_an_error_nor_in_the_settings(conf: Path) -> None:
    dsn = "postgresql://netheal:hunter2@localhost/netheal"
    assert "hunter2" not in sentence(conf, postgres_dsn=dsn, scoring_tasks=0)
    assert "hunter2" not in repr(load_settings(conf, postgres_dsn=dsn))


def test_settings_are_replaced_by_their_outside_names(settings: Settings) -> None:
    other = settings.replaced(api_port=0, kafka_bootstrap_servers="broker:9092")
    assert (other.api.port, other.kafka.bootstrap_servers) == (0, "broker:9092")
    assert other.replaced(**settings.flat()) == settings
    with pytest.raises(TypeError, match="unknown setting port"):
        settings.replaced(port=0)


def test_each_setting_has_one_name_outside_and_a_meaning() -> None:
    fields = [kind.prefix + name for kind in components().values() for name in kind.model_fields]
    assert len(fields) == len(set(fields))
    assert [name for name, info in outside_fields().items() if not info.description] == []


def test_the_page_of_settings_is_the_one_made_from_the_code(root: Path) -> None:
    assert (root / "docs" / "settings.md").read_text("utf-8") == page(), "python -m netheal.settings.table"


def test_settings_cannot_be_changed(settings: Settings) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings.stream, "input_topic", "other")  # noqa: B010 - mypy refuses an assignment
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, "stream", settings.stream)  # noqa: B010


@pytest.mark.parametrize("text", ["input_topic = \n", "[", "\xff"])
def test_a_file_that_is_no_toml_is_one_clear_sentence(conf: Path, text: str) -> None:
    conf.write_bytes(text.encode("latin-1"))
    assert str(conf) in sentence(conf)


def test_a_mapping_that_is_no_json_is_one_clear_sentence(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETHEAL_KAFKA_OPTIONS", "security.protocol=PLAINTEXT")
    assert "kafka_options" in sentence(conf).lower()


def test_the_environment_may_name_another_file(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf.write_text('input_topic = "of-file"\n')
    monkeypatch.setenv("NETHEAL_CONF", str(conf))
    assert load_settings().stream.input_topic == "of-file"


def test_a_named_file_that_is_not_there_is_one_clear_sentence(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETHEAL_CONF", str(conf))
    with pytest.raises(SettingsError, match=str(conf)):
        load_settings()
