"""Who may connect and call: tokens and their scopes, the doors, and what strangers are told."""
