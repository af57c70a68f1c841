"""From WIP to money in the bank: drafts, invoices, credit notes, payments, statements."""
