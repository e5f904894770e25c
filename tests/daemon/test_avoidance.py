"""Plugins that passes hang or die of are left out, for longer each time, until a pass with them gets through."""

from agent.daemon.avoidance import PAUSES, Avoidance


def test_a_plugin_is_left_out_from_the_second_time_on_for_longer_each_time():
    avoidance = Avoidance()
    avoidance.failed("plugin vpn", 0.0)
    assert avoidance.present(0.0) == []
    for pause in (*PAUSES, PAUSES[-1]):
        avoidance.failed("plugin vpn", 0.0)
        assert avoidance.present(pause - 1) == ["vpn"]
        assert avoidance.present(pause) == []


def test_a_pass_that_gets_through_with_it_forgives_it_and_one_without_it_does_not():
    avoidance = Avoidance()
    for _ in range(2):
        avoidance.failed("plugin vpn", 0.0)
    avoidance.succeeded(["vpn"])
    avoidance.failed("plugin vpn", 0.0)
    assert avoidance.present(PAUSES[1] - 1) == ["vpn"]
    avoidance.succeeded([])
    avoidance.failed("plugin vpn", PAUSES[1])
    assert avoidance.present(PAUSES[1]) == []


def test_commands_and_passes_are_not_left_out_and_a_changed_file_forgives_all():
    avoidance = Avoidance()
    for _ in range(2):
        for subject in ("service nginx", "pass pass", "plugin vpn"):
            avoidance.failed(subject, 0.0)
    assert avoidance.present(0.0) == ["vpn"]
    avoidance.forget()
    avoidance.failed("plugin vpn", 0.0)
    assert avoidance.present(0.0) == []


def test_a_plugin_that_was_given_up_is_left_out_at_once_and_not_counted_again_meanwhile():
    avoidance = Avoidance()
    avoidance.hung(["vpn"], 0.0)
    assert avoidance.present(0.0) == ["vpn"]
    avoidance.succeeded(["vpn"])
    avoidance.hung(["vpn"], 10.0)
    assert avoidance.present(PAUSES[0]) == []
    avoidance.hung(["vpn"], PAUSES[0])
    assert avoidance.present(PAUSES[0] + PAUSES[1] - 1) == ["vpn"]
