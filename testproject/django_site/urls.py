"""The site's pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from testproject.django_site import views

urlpatterns = [
    path("", views.home, name="home"),
    path("report/", views.report, name="report"),
    path("headlines/", views.headlines, name="headlines"),
    path("statistics/", views.statistics, name="statistics"),
    path("session/", views.session, name="session"),
    path("session/all/", views.my_sessions, name="my_sessions"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
