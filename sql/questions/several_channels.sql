-- Which customers use several channels, and do they buy more?
-- One row per set of channels in which customers ordered, over all time; every customer with an order stands
-- in one row, so the shares add up to 1. Who orders more often has more chances to use a second channel:
-- compare `net_sales_per_customer` with the orders in mind. Customers who only gave back are `none`, guests
-- are left out.
with final as (
    select
        x.channels,
        x.channel_count,
        x.customers,
        x.customer_share,
        x.repeat_customers,
        x.repeat_rate,
        x.orders,
        x.orders_per_customer,
        x.ordered_value,
        x.aov,
        x.net_sales,
        x.share,
        x.net_sales_per_customer,
        x.low_n,
        x.currency
    from kpi.cross_channel as x
)

select * from final
order by channel_count desc, customers desc, channels
