"""What people's data lies in: folders and tables, and the account of what was read of them."""
