"""Settings: where a value comes from, and what a bad one says."""

from pathlib import Path

import pytest

from gateway.settings import MARATHON_FLAGS_WITHOUT_EFFECT, SettingsError, load, settings


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mgw.toml"
    file.write_text('max_running_deployments = 1\nmesos_role = "file"\nnamespace = "file"\n')
    environment = {"MARATHON_MAX_RUNNING_DEPLOYMENTS": "2", "MARATHON_MESOS_ROLE": "env"}
    loaded, warnings = load({"max_running_deployments": "3"}, environment, file)
    assert (loaded.max_running_deployments, loaded.mesos_role, loaded.namespace) == (3, "env", "file")
    assert warnings == []


def test_the_variable_of_ours_is_known_beside_marathons() -> None:
    loaded, _ = load({}, {"MGW_MESOS_ROLE": "ours", "MGW_NAMESPACE": "n"})
    assert (loaded.mesos_role, loaded.namespace) == ("ours", "n")


def test_lists_and_tables_are_written_as_marathon_users_write_them() -> None:
    loaded, _ = load({"enable_features": "secrets, vips", "users": "nobody=65534"}, {})
    assert loaded.enable_features == ("secrets", "vips")
    assert loaded.users == {"nobody": "65534"}


def test_marathon_flags_without_meaning_here_are_named_with_the_reason() -> None:
    _, warnings = load({"zk": "zk://a/b"}, {"MARATHON_MASTER": "zk://a/m", "MARATHON_UNHEARD_OF": "1"})
    assert any("--zk has no effect" in w for w in warnings)
    assert any("MARATHON_MASTER has no effect: there is no Mesos here" in w for w in warnings)
    assert any("MARATHON_UNHEARD_OF has no effect" in w for w in warnings)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"http_port": "http"}, "http_port"),
        ({"max_running_deployments": "0"}, "max_running_deployments"),
        ({"task_id_style": "new"}, "task_id_style"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting(flags: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(flags, {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_with_an_unknown_setting_or_no_toml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mgw.toml"
    file.write_text("no_such = 1\n")
    with pytest.raises(SettingsError, match="no_such"):
        load({}, {}, file)
    file.write_text("= 1\n")
    with pytest.raises(SettingsError, match="TOML"):
        load({}, {}, file)
    with pytest.raises(SettingsError, match="cannot be read"):
        load({}, {}, tmp_path / "absent.toml")


def test_credentials_are_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "mgw.toml"
    file.write_text('http_credentials = ["user", "secret"]\n')
    with pytest.raises(SettingsError) as caught:
        load({}, {}, file)
    assert "http_credentials" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_every_setting_says_what_it_means() -> None:
    for setting in settings():
        assert setting.description.endswith("."), setting.name
        assert setting.name not in MARATHON_FLAGS_WITHOUT_EFFECT
