-- How often do visitors come?
-- One row per class of visitors, always all six: `single` came on one day ever; the others by their days with
-- a visit among the last 28: `lapsed` none, `occasional` 1, `regular` 2-3, `frequent` 4-11, `heavy` 12 and
-- more. Shares are of all visitors and of all visits; `buyer_rate` is the part that ever bought in a visit,
-- with its 95 % interval. A visitor is the customer where known and the device otherwise, so that one person
-- can be two.
with final as (
    select
        v.visit_class,
        v.visitors,
        v.share,
        v.customers,
        v.sessions,
        v.session_share,
        v.median_days_between,
        v.buyers,
        v.buyer_rate,
        v.ci_low,
        v.ci_high,
        v.orders,
        v.net_sales,
        v.low_n,
        v.currency,
        v.sort_order
    from behavior.visit_classes as v
)

select * from final
order by sort_order
