"""Moves in the tree of a conversation: ask, branch, switch, delete and bring back. Pure.

Every function gives a new conversation. Ids that the conversation does not hold change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meadow_desktop.chat.conversation import Answer, Conversation, Question, new_id


@dataclass(frozen=True)
class Removed:
    """Messages that were taken out, and where they stood."""

    messages: tuple[Question | Answer, ...]
    order: tuple[str, ...]
    chosen: dict[str, str]


def find(conversation: Conversation, message_id: str) -> Question | Answer | None:
    """The message with this id."""
    return next((node for node in conversation.nodes if node.id == message_id), None)


def ask(conversation: Conversation, question: str, now: datetime | None = None) -> Conversation:
    """Add a question after what is shown, and the empty answer that is to be filled."""
    return _add_turn(conversation, conversation.leaf, question, now)


def edit_question(
    conversation: Conversation, message_id: str, question: str, now: datetime | None = None
) -> Conversation:
    """Ask in other words: a branch beside the old question, which stays."""
    old = find(conversation, message_id)
    return _add_turn(conversation, old.parent, question, now) if isinstance(old, Question) else conversation


def answer_again(conversation: Conversation, message_id: str = "", now: datetime | None = None) -> Conversation:
    """Begin another answer beside this one, which stays; or one to this question. By default: to the last question."""
    old = find(conversation, message_id or conversation.leaf)
    if old is None:
        return conversation
    question_id = old.id if isinstance(old, Question) else old.parent
    return _add(conversation, (Answer(id=new_id(), parent=question_id),), now)


def replace_answer(conversation: Conversation, answer: Answer) -> Conversation:
    """The same conversation with the answer of this id exchanged."""
    nodes = conversation.nodes
    # The answer that is being written is nearly always the newest message.
    place = next((place for place in range(len(nodes) - 1, -1, -1) if nodes[place].id == answer.id), None)
    if place is None:
        return conversation
    return replace(conversation, nodes=(*nodes[:place], answer, *nodes[place + 1 :]))


def siblings(conversation: Conversation, message_id: str) -> list[str]:
    """The ids of all versions of this message, the oldest first."""
    message = find(conversation, message_id)
    return [] if message is None else [each.id for each in conversation.children[message.parent]]


def switch(conversation: Conversation, message_id: str, step: int) -> Conversation:
    """Show the version before (-1) or after (+1) this one, and below it what was shown there last."""
    versions = siblings(conversation, message_id)
    if not versions:
        return conversation
    place = max(0, min(versions.index(message_id) + step, len(versions) - 1))
    return show_message(conversation, versions[place])


def show_message(conversation: Conversation, message_id: str) -> Conversation:
    """Choose the branch that holds this message."""
    by_id = {node.id: node for node in conversation.nodes}
    chosen = dict(conversation.chosen)
    while (message := by_id.get(message_id)) is not None:
        chosen[message.parent] = message.id
        message_id = message.parent
    return replace(conversation, chosen=chosen)


def path_to(conversation: Conversation, message_id: str) -> tuple[Question | Answer, ...]:
    """The messages from the first question to this one."""
    by_id = {node.id: node for node in conversation.nodes}
    path: list[Question | Answer] = []
    while (message := by_id.get(message_id)) is not None:
        path.append(message)
        message_id = message.parent
    return tuple(reversed(path))


def remove(conversation: Conversation, message_id: str) -> tuple[Conversation, Removed]:
    """Take out a message and all that followed it, on every branch."""
    gone = {message_id}
    for node in conversation.nodes:  # parents come before their children
        if node.parent in gone:
            gone.add(node.id)
    removed = Removed(
        tuple(node for node in conversation.nodes if node.id in gone),
        tuple(node.id for node in conversation.nodes),
        conversation.chosen,
    )
    nodes = tuple(node for node in conversation.nodes if node.id not in gone)
    chosen = {parent: child for parent, child in conversation.chosen.items() if not gone & {parent, child}}
    return replace(conversation, nodes=nodes, chosen=chosen), removed


def restore(conversation: Conversation, removed: Removed) -> Conversation:
    """Put back what was taken out, where it stood, and show it."""
    if not removed.messages:
        return conversation
    here = {node.id: node for node in conversation.nodes}
    back = {node.id: node for node in removed.messages if node.id not in here}
    known = set(removed.order)
    old = [here.get(each) or back.get(each) for each in removed.order]
    nodes = (
        *(node for node in old if node is not None),
        *(node for node in conversation.nodes if node.id not in known),
    )
    chosen = {**removed.chosen, **conversation.chosen}
    return show_message(replace(conversation, nodes=nodes, chosen=chosen), removed.messages[0].id)


def _add_turn(conversation: Conversation, parent: str, question: str, now: datetime | None) -> Conversation:
    asked = Question(id=new_id(), parent=parent, text=question)
    return _add(conversation, (asked, Answer(id=new_id(), parent=asked.id)), now)


def _add(conversation: Conversation, messages: tuple[Question | Answer, ...], now: datetime | None) -> Conversation:
    grown = replace(conversation, nodes=(*conversation.nodes, *messages), changed=now or datetime.now(UTC))
    return show_message(grown, messages[-1].id)
