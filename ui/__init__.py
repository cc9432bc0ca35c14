"""The page in the browser. `launch` starts it, `app` is it, `components` are its pieces."""
