"""Update rules: what each does to one element, and how chains of them run on many."""
