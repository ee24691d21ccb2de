-- Which device converts best, and is the difference real?
-- One row per kind of device: the part of its visits that ended in a purchase, against the visits on all
-- other known devices. `conversion_verdict` says higher or lower where the q-value is below 0.05, with visits
-- of one visitor not counted as independent; NULL where there are too few visitors to test.
-- `standardised_conversion` is what the device would convert if its visits came from the same places as all
-- visits. It describes and proves no cause.
with final as (
    select
        e.device_type,
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
    from behavior.device_effect as e
)

select * from final
order by session_conversion desc, device_type
