from django.views.generic import ListView

from .models import Book


class BookList(ListView):
    """All books, as a page."""

    model = Book
