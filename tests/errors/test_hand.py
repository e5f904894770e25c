import pytest

from agent.errors import AgentError
from agent.errors.operations import (
    AlreadyUploaded,
    ChainInUse,
    NameNotCovered,
    NobodyNeeds,
    NotDeletable,
    NothingToReissue,
    NotInLadder,
    RootAlreadyPresent,
)

CHAIN = "c" * 64

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        NameNotCovered("mail.example.test", ["www.example.test", "*.example.org"]),
        (
            'upload: The chain does not cover "mail.example.test"; it is for www.example.test, *.example.org.\n'
            "Upload the chain of that name, or leave out --for."
        ),
    ),
    (
        NameNotCovered("mail.example.test", []),
        (
            'upload: The chain does not cover "mail.example.test"; it is for no name at all.\n'
            "Upload the chain of that name, or leave out --for."
        ),
    ),
    (
        NobodyNeeds(["a.example.test", "b.example.test"], ["www.example.test", "mail.example.test"]),
        (
            "upload: No module needs a chain for a.example.test, b.example.test.\n"
            "Keep it for later with --keep-unused. Needed are: mail.example.test, www.example.test."
        ),
    ),
    (
        NobodyNeeds(["a.example.test"], []),
        (
            "upload: No module needs a chain for a.example.test.\n"
            "Keep it for later with --keep-unused. Needed are: none."
        ),
    ),
    (
        AlreadyUploaded(CHAIN),
        "chain cccccccccccc: This chain has been uploaded before.\nSee who uses it: chainwright status",
    ),
    (
        ChainInUse(CHAIN, ["web/a", "web/b"], ["web/a: local", "web/b: nothing"]),
        (
            "chain cccccccccccc: The chain is used by web/a, web/b.\n"
            "Hand over at once with --yes: web/a: local; web/b: nothing."
        ),
    ),
    (
        NotDeletable(CHAIN, "local"),
        (
            'chain cccccccccccc: Only uploaded chains are deleted by hand; this one is of the source "local".\n'
            "For a new one: chainwright reissue NAME"
        ),
    ),
    (
        NothingToReissue("wwww.example.test", "www.example.test"),
        (
            'reissue: No module needs a chain for "wwww.example.test". Did you mean www.example.test?\n'
            "All names: chainwright status"
        ),
    ),
    (
        NothingToReissue("x.example.test", ""),
        'reissue: No module needs a chain for "x.example.test".\nAll names: chainwright status',
    ),
    (
        RootAlreadyPresent("d" * 64),
        "root dddddddddddd: This root signs already.\nSee it: chainwright root show",
    ),
    (
        NotInLadder("acme", ["uploaded", "local"]),
        (
            'source acme: The source "acme" is not in the ladder, which is: uploaded, local.\n'
            "Name it in the setting `sources`."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message
