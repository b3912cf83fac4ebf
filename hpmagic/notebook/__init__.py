"""IPython's side: magics, the comment form, completion and write-back."""
