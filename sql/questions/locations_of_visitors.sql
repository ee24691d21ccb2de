-- Which locations convert best, and is the difference real?
-- The twenty locations with most visits, those that convert best first: the part of the visits from there
-- that ended in a purchase, against visits from all other known locations. `conversion_verdict` says higher
-- or lower where the q-value is below 0.05; NULL where there are too few visitors to test.
-- `standardised_conversion` is what the location would convert with the mix of devices of all visits. The
-- location is where the customer lives, or else where the device was seen, never that of a shop.
with ranked as (
    select
        row_number() over (order by e.sessions desc, e.location) as rank,
        e.location,
        e.sessions,
        e.share,
        e.visitors,
        e.converted_sessions,
        e.session_conversion,
        e.ci_low,
        e.ci_high,
        e.rest_conversion,
        e.conversion_difference,
        e.difference_ci_low,
        e.difference_ci_high,
        e.q_value,
        e.conversion_verdict,
        e.standardised_conversion,
        e.orders,
        e.net_sales,
        e.aov,
        e.order_value_verdict,
        e.low_n,
        e.currency
    from behavior.location_effect as e
),

final as (
    select
        r.location,
        r.sessions,
        r.share,
        r.visitors,
        r.converted_sessions,
        r.session_conversion,
        r.ci_low,
        r.ci_high,
        r.rest_conversion,
        r.conversion_difference,
        r.difference_ci_low,
        r.difference_ci_high,
        r.q_value,
        r.conversion_verdict,
        r.standardised_conversion,
        r.orders,
        r.net_sales,
        r.aov,
        r.order_value_verdict,
        r.low_n,
        r.currency
    from ranked as r
    where r.rank <= 20
)

select * from final
order by session_conversion desc, location
