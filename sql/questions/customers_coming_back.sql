-- How many customers come back within 90 days?
-- One row per time after the first order: 30, 60, 90, 180 and 365 days, and all time. Only customers whose
-- first order lies at least so long back are asked (`mature_customers`), the others have had no chance yet;
-- so the rate of all time is weighed down by recent customers. Days are from the first order to the second,
-- of those who came back.
with final as (
    select
        r.window_name,
        r.window_days,
        r.mature_customers,
        r.repeat_customers,
        r.repeat_rate,
        r.ci_low,
        r.ci_high,
        r.median_days_to_second,
        r.low_n,
        r.sort_order
    from customer.repeat_purchase as r
)

select * from final
order by sort_order
