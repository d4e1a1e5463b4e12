"""One function per command: ask the client, hand the answer to the renderer. `app.TREE` names them."""
