"""Performance of a served model: realised where labels are known, estimated where they are not, and its loss over windows."""
