"""The generated pages of docs/, from the code: `make docs`."""
