"""Reading WIP, invoices, payments and statements, as whoever asks may see them."""
