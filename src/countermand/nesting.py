"""How deep a JSON text nests, found without parsing it."""


def nests_at_most(body: bytes, depth_max: int) -> bool:
    """Whether brackets outside of strings nest at most so deep. Looks at bytes only, so no parser can be hurt."""
    if body.count(b"[") + body.count(b"{") <= depth_max:
        return True
    depth, in_string, escaped = 0, False, False
    for byte in body:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > depth_max:
                return False
        elif byte in b"]}":
            depth -= 1
    return True
