"""Generated from `proto/elastickv/pb/` by `python proto/generate.py`; committed, never edited by hand."""
