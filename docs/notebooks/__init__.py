"""The notebooks of the course; `tgc notebooks FOLDER` puts them into a folder.

The files in `sources/` are what is edited; `make notebooks` writes the `.ipynb` files, without outputs.
"""
