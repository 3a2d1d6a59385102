"""User text in pod templates: Kubernetes expands `$(NAME)` and turns `$$` into `$`, Marathon does neither."""

__all__ = ["literal"]


def literal(text: str) -> str:
    """`text` so that the container sees it as the user wrote it."""
    return text.replace("$", "$$")
