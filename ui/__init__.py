"""The page in the browser. `launch` starts `server`, which serves `app`; `pages` are its pages."""
