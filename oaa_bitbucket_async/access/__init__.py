"""Who may do what, computed from a payload: the answers to `who-can` and `what-can`."""
