-- How loyal are our customers?
-- One row per loyalty segment, always all four: `Prospect` has no order, `New` one, `Loyal` more than
-- core.parameters.loyal_above_orders, `Returning` what lies between; orders before the data begin count where
-- the source declares them. `subscriber_share` is of those of whom it is known whether they subscribe.
with final as (
    select
        l.loyalty_segment,
        l.customers,
        l.customer_share,
        l.subscribers,
        l.customers_of_known_subscription,
        l.subscriber_share,
        l.orders,
        l.previous_declared,
        l.net_sales,
        l.net_sales_share,
        l.ordered_value,
        l.aov,
        l.currency,
        l.sort_order
    from customer.loyalty_segments as l
)

select * from final
order by sort_order
