"""The page in the browser: `launch` starts `server`, which serves `app`, whose pages are in `views`."""
