"""The page: a gradio front of the sparsevit library. Run ``python app.py``.

Its folders are layers. A file imports only from layers above its own, and from its own folder:

| layer  | what is in it                                                            |
|--------|--------------------------------------------------------------------------|
| config | limits and defaults                                                      |
| engine | runs networks; knows nothing of a page, nor of gradio                    |
| api    | endpoints for programs                                                   |
| page   | what all tabs share, and the layout and wiring they are put into         |
| tabs   | a folder a tab, and their registry, which ``app.py`` hands to the page   |
"""
