"""The page in the browser. `launch` starts `server`, which serves `app`; `views` are its pages."""
