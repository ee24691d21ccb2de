-- Where do visitors drop out on the way to a purchase?
-- The steps view, cart, purchase in this order, other things in between allowed: per visit, per visitor and
-- month with a purchase within the funnel's window (core.parameters.funnel_window_days) and, for these, by
-- kind of device. Over all months. `dropped` is who reached the step before and not this one; on the first
-- step nobody has dropped yet. Attempts younger than the window may still succeed (`units_open`). Purchases
-- without a cart in between are no success of this funnel: `direct_purchases` counts them.
with final as (
    select
        f.scope,
        f.breakdown_value as device,
        f.step_number,
        f.step,
        f.units_reached,
        f.units_previous,
        f.dropped,
        f.step_conversion,
        f.units_started,
        f.overall_conversion,
        f.ci_low,
        f.ci_high,
        f.median_seconds,
        f.units_open,
        f.direct_purchases,
        f.low_n,
        case when f.breakdown = 'device_type' then 3 when f.scope = 'visitor' then 2 else 1 end as sort_order
    from behavior.funnel as f
    where f.period_name = 'all' and not f.cart_optional
        and (
            (f.scope in ('session', 'visitor') and f.breakdown = 'all')
            or (f.scope = 'visitor' and f.breakdown = 'device_type')
        )
)

select * from final
order by sort_order, device, step_number
