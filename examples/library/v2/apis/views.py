from books.models import Book
from rest_framework import generics

from .serializers import BookSerializer


class BookList(generics.ListCreateAPIView):
    """All books, as JSON; a POST adds one."""

    queryset = Book.objects.all()
    serializer_class = BookSerializer


class BookDetail(generics.RetrieveUpdateDestroyAPIView):
    """One book, by its number."""

    queryset = Book.objects.all()
    serializer_class = BookSerializer
