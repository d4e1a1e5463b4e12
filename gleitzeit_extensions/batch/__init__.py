"""Many calls from a file: so many at a time, again where that may help, and each answered exactly once.

What runs is `engine`; `pump` is also what the SDK's clients have. Nothing here knows how a call is sent.
"""
