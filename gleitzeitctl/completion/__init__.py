"""What a TAB in bash, zsh or fish offers behind `gleitzeitctl`."""
